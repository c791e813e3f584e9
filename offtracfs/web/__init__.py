"""The tracker in a browser: pages, at any moment, to read.

page.py        what a page is: its address, its view, its template; and what a view is asked for
pages/         the pages, a module each, in one table
application.py the WSGI application: from an address to an answer, the same way for all pages
addresses.py   … the "/@2011-04-09" before an address
asking.py      … names of people and things in an address, and further moments in its query
readers.py     … each thread's own connections, which follow each sync
guard.py       … who may ask, from where; the headers that keep a browser from running anything
caching.py     … what a browser may keep, and for how long
rendering.py   … data as HTML or as JSON
events.py      … a change as pages show it; values.py: the tickets with a value, such as a milestone's
wikilinks.py   … where the links in wiki text lead
openapi.py     … what there is, for programs
lists.py       … what lists have in common: rows, pages, downloads, the next ticket
runs.py        … reports that run for readers, each in a process of its own
server.py      sockets, processes and threads around it

A page asks the packages below for what it shows, as the command line and the mount do, and decides nothing.
"""

from offtracfs.web.guard import Guard
from offtracfs.web.server import Server

__all__ = ["Guard", "Server"]
