"""The store: SQLite or PostgreSQL behind SQLAlchemy; the service's only state."""
