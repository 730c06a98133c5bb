"""HTTP: hooks, client API, desk and simulator. Decides nothing by itself."""
