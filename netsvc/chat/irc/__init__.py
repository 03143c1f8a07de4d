"""The IRC frontend: the hub's rooms for irssi, WeeChat, HexChat, bots and phones."""
