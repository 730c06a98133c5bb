"""The one store of truth. Speaks domain types and keeps its rows to itself."""
