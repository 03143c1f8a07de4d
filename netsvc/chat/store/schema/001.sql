-- What lets a later release know which file it has before it.
create table version (
    number integer primary key,
    applied integer not null            -- ms since the epoch
);

-- Small numbers by name: "indexed" is the last message that the search knows.
create table counter (
    name text primary key,
    value integer not null
) without rowid;
insert into counter (name, value) values ('indexed', 0), ('attempts', 0);

-- Whose history: a room with its era, or (with both accounts) a conversation.
create table target (
    id integer primary key,
    name text not null unique,
    one text,
    other text
);
create index target_one on target (one) where one is not null;
create index target_other on target (other) where other is not null;

create table message (
    seq integer primary key,
    target integer not null references target (id),
    time integer not null,              -- ms since the epoch
    msgid text not null,
    kind text not null,
    account text,
    text text not null,
    body text not null                  -- the event, as JSON
);
-- Its entries end with seq, so it gives the total order (time, seq) of a target.
create index message_time on message (target, time);
create unique index message_msgid on message (target, msgid);

-- rowid is the message's seq. room is "t" and the target's id, so that a word that is
-- common everywhere is found quickly in a small room.
create virtual table search using fts5 (
    room, text, content = '', columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);

create table era (
    room text primary key,
    number integer not null,
    private integer not null
) without rowid;

create table account (
    key text primary key,
    name text not null,
    created integer not null,           -- ms since the epoch
    password text,
    scram text,
    flags integer not null
) without rowid;

create table fingerprint (
    sha256 text primary key,
    account text not null references account (key) on delete cascade
) without rowid;
create index fingerprint_account on fingerprint (account);

create table nick (
    key text primary key,
    name text not null,
    account text not null references account (key) on delete cascade
) without rowid;
create index nick_account on nick (account);

-- Keys that the server made for itself.
create table secret (
    name text primary key,
    value blob not null
) without rowid;

create table marker (
    account text not null references account (key) on delete cascade,
    target text not null,
    time integer not null,              -- ms since the epoch
    moved integer not null,             -- grows with each move of any of them
    primary key (account, target)
) without rowid;

create table ban (
    mask text primary key,
    reason text not null,
    setter text not null,
    created integer not null,           -- ms since the epoch
    expires integer
) without rowid;
