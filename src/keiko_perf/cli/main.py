"""
The command line: one file a command; this one puts them together and shows their errors.
"""
