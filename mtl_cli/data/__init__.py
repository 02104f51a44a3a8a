"""Where the rows come from: one file a source, each giving a `Dataset`."""
