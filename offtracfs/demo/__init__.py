"""A made-up tracker with ten years of history, for which no server is needed.

railway, troubles   what it is about: words, as data
lives               tickets and how they went, from those words and a seed
build               all of it as a database, each change a commit at its time in the past
workflows, cases    the same railway as a TeamTrack would have it: data; what was done to each case
teamtrack           a TeamTrack's database of it, as it stood at any moment
mirror              … with a database of ours beside it
"""

from offtracfs.demo.build import database

__all__ = ["database"]
