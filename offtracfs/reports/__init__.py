"""What is asked of the tracker in SQL: its own reports, ticket queries, and statements of the user's."""
