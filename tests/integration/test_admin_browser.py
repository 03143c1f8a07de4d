"""The status page in a real browser: Debian's chromium, driven by selenium."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.integration.admin_process import AdminCase, tool, until

#: Against what a browser does by itself: look for updates, sync, GPU.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-dev-shm-usage"),
)

#: Sizes of windows: of a desk and of a phone.
DESK = (1280, 900, False)
PHONE = (360, 740, True)

#: What a guest of the chat calls himself in his address.
HOSTILE_ROOM = "#<b>bold</b>"

_LUMINANCE = """
const colour = getComputedStyle(document.body).backgroundColor;
const [r, g, b] = colour.match(/[0-9.]+/g).map(Number);
return 0.2126 * r + 0.7152 * g + 0.0722 * b;
"""


class BrowserTests(AdminCase):
    """What people see."""

    driver: Any

    def setUp(self) -> None:
        """Start the daemon and the browser."""
        browser, driver = tool("chromium"), tool("chromedriver")
        super().setUp()
        options = ChromeOptions()
        options.binary_location = browser
        profile = self.folder / "profile"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(driver, log_output=os.devnull)
        self.driver = Chrome(options=options, service=service)
        self.addCleanup(self.driver.quit)
        self.echo = self.connect(self.admin.ports["netsvc-echo"][0])
        self.echo.sendall(b"x" * 2000)
        self.echo.recv(2000, socket.MSG_WAITALL)
        chat = self.connect(self.admin.ports["netsvc-chat"][1])
        lines = f"NICK ann\r\nUSER a 0 * :a\r\nJOIN {HOSTILE_ROOM}\r\nJOIN #games\r\n"
        chat.sendall(lines.encode())

    def look(self, size: tuple[int, int, bool] = DESK, scheme: str = "light") -> None:
        """Have a window of a size and colour scheme, and show the page in it."""
        width, height, mobile = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": mobile,
            },
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [feature]}
        )
        self.driver.get(f"http://127.0.0.1:{self.admin.port}/")

    def run_script(self, text: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(text, *arguments)

    def peers(self) -> list[str]:
        """Give the peers in the table of connections."""
        return self.texts("#connections tbody td:nth-child(3)")

    def texts(self, selector: str) -> list[str]:
        """Give texts of the page, all at once: they are exchanged now and then."""
        found: list[str] = self.run_script(
            "return [...document.querySelectorAll(arguments[0])]"
            ".map((each) => each.textContent)",
            selector,
        )
        return found

    def complaints(self) -> list[dict[str, Any]]:
        """Give what the browser complains of, but not of how slow this machine is."""
        log: list[dict[str, Any]] = self.driver.get_log("browser")
        return [each for each in log if each["source"] != "intervention"]

    def updates(self) -> int:
        """Give how many live updates have come."""
        return int(self.run_script("return document.body.dataset.updates || 0"))

    def test_page(self) -> None:
        """It loads without a complaint, follows what happens, and filters."""
        self.look()
        self.assertIn("ready", self.driver.title)
        until(self.updates, "a live update")
        self.assertEqual(self.driver.find_element(By.ID, "live").text, "live")
        # What happens now is shown without a reload.
        more = self.connect(self.admin.ports["netsvc-echo"][0])
        peer = f"127.0.0.1:{more.getsockname()[1]}"
        until(lambda: peer in self.peers(), "the new connection")
        # A stranger's markup is text.
        rooms = until(
            lambda: [each for each in self.texts("td") if "bold" in each],
            "the room",
        )
        self.assertEqual(rooms, [HOSTILE_ROOM])
        self.assertEqual(self.driver.find_elements(By.TAG_NAME, "b"), [])
        # The filter works while one types, and is in the address.
        field = self.driver.find_element(By.ID, "filter")
        field.send_keys(f"peer:{peer}")
        until(lambda: self.peers() == [peer], "the filter")
        until(lambda: "filter=" in self.driver.current_url, "the address")
        self.driver.refresh()
        self.assertEqual(self.peers(), [peer])
        # The charts have a line.
        until(
            lambda: (
                " "
                in self.run_script(
                    "return document.querySelector('#chart-live polyline')"
                    ".getAttribute('points')"
                )
            ),
            "a chart",
        )
        self.assertEqual(self.complaints(), [])
        self._picture("desk-light")

    def test_looks(self) -> None:
        """It is light or dark as asked for, and no wider than a phone."""
        for size, scheme in ((DESK, "dark"), (PHONE, "light"), (PHONE, "dark")):
            self.look(size, scheme)
            until(self.updates, "a live update")
            luminance = self.run_script(_LUMINANCE)
            self.assertEqual(luminance > 128, scheme == "light", luminance)
            wide, inner = self.run_script(
                "return [document.documentElement.scrollWidth, innerWidth]"
            )
            self.assertLessEqual(wide, inner)
            self._picture(f"{size[0]}-{scheme}")
        self.assertEqual(self.complaints(), [])

    def test_without_script(self) -> None:
        """Without JavaScript the same is in the page, and the filter is a form."""
        self.driver.execute_cdp_cmd(
            "Emulation.setScriptExecutionDisabled", {"value": True}
        )
        self.look()
        body = self.driver.find_element(By.TAG_NAME, "body").text
        for text in ("netsvc-echo", "Backends of netsvc-balance", "2.0 KiB", "Reload"):
            self.assertIn(text, body)
        field = self.driver.find_element(By.ID, "filter")
        field.send_keys("service:echo")
        field.submit()
        until(lambda: "filter=" in self.driver.current_url, "the form is sent")
        rows = (By.CSS_SELECTOR, "#connections tbody tr")
        until(lambda: len(self.driver.find_elements(*rows)) == 1, "the one that fits")

    def test_daemon_ends(self) -> None:
        """When the daemon is gone the page says so."""
        self.look()
        until(self.updates, "a live update")
        self.assertEqual(self.admin.end(), 0, self.admin.log())
        until(
            lambda: "no connection" in self.driver.find_element(By.ID, "live").text,
            "the page says so",
        )

    def _picture(self, name: str) -> None:
        """Keep a picture for people, if they say where."""
        folder = os.environ.get("NETSVC_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))
