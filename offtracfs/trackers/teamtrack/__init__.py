"""A TeamTrack, over its database or its SOAP service: its cases as tickets.

    fields    pure: a case's fields as a ticket's, and ids by the names that people know
    metadata  pure: definitions and values of fields
    cases     pure: a case and its history as a ticket and its change log
    rules     what the rows of such a change log mean
    client    `TeamTrack`, the `Tracker`, over a `Source`; which are:
    database  … the TeamTrack's database
    service   … the SOAP service of a live server

`offtracfs.teamtrack` is what it reads with. docs/teamtrack.md has the mapping as a table, and says what of it
was never tried.
"""
