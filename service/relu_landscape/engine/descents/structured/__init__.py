"""Critical points that no start need reach: searched on what groups of relabellings leave fixed."""
