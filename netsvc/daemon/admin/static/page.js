"use strict";
// Live updates of the status page. Without this script the page is as complete, and
// stands still. What comes is put in as text, never as HTML.
(() => {
  const byId = (id) => document.getElementById(id);
  const live = byId("live");
  const filter = byId("filter");
  let source = null;

  const say = (state, text) => {
    live.dataset.live = state;
    live.textContent = text;
  };

  const element = (name, kind, text) => {
    const made = document.createElement(name);
    made.className = kind;
    made.textContent = text;
    return made;
  };

  const headingsOf = (columns) => columns.map(([title, kind]) => {
    const heading = element("th", kind, title);
    heading.scope = "col";
    return heading;
  });

  const rowOf = (cells, columns) => {
    const row = document.createElement("tr");
    cells.forEach((text, place) => {
      const kind = columns[place][1];
      const cell = element("td", kind, text);
      if (kind === "state") cell.dataset.state = text;
      row.append(cell);
    });
    return row;
  };

  const showGrid = (id, grid) => {
    const section = byId(id);
    if (!section) {
      say("yes", "live; there are new tables: reload the page");
      return;
    }
    const selection = getSelection();
    // What somebody is about to copy stays where it is.
    if (!selection.isCollapsed && section.contains(selection.anchorNode)) return;
    section.querySelector(".note").textContent = grid.note;
    section.querySelector("thead tr").replaceChildren(...headingsOf(grid.columns));
    const rows = grid.rows.map((cells) => rowOf(cells, grid.columns));
    section.querySelector("tbody").replaceChildren(...rows);
  };

  const showChart = (id, chart) => {
    const figure = byId("chart-" + id);
    if (!figure) return;
    figure.querySelector(".now").textContent = chart.now;
    figure.querySelector(".top").textContent = chart.top || "-";
    figure.querySelector("polyline").setAttribute("points", chart.points);
  };

  const show = (update) => {
    if (!update.grids) return;
    const state = byId("state");
    state.textContent = update.state;
    state.dataset.state = update.state;
    document.title = document.title.replace(/^\S+/, update.state);
    for (const [id, text] of Object.entries(update.figures)) {
      const figure = byId("figure-" + id);
      if (figure) figure.textContent = text;
    }
    Object.entries(update.charts).forEach(([id, chart]) => showChart(id, chart));
    Object.entries(update.grids).forEach(([id, grid]) => showGrid(id, grid));
    document.body.dataset.updates = 1 + Number(document.body.dataset.updates || 0);
  };

  const listen = () => {
    if (source) source.close();
    source = new EventSource("events?filter=" + encodeURIComponent(filter.value));
    source.onmessage = (event) => {
      if (live.dataset.live !== "yes") say("yes", "live");
      show(JSON.parse(event.data));
    };
    source.onerror = () => {
      say("no", "no connection to netsvc");
      // A refusal is final for the browser: try again by ourselves.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
  };

  let waiting = null;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const place = new URL(location.href);
      if (filter.value) place.searchParams.set("filter", filter.value);
      else place.searchParams.delete("filter");
      history.replaceState(null, "", place);
      listen();
    }, 250);
  });
  filter.form.addEventListener("submit", (event) => {
    event.preventDefault();
    listen();
  });

  listen();
})();
