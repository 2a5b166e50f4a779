"""Jouleloop's host side: flash a target, replay to it, measure, report.

The rooms follow the path of the data: ``flash`` -> ``replay`` -> ``metrics`` -> ``report``, over
``link``; ``target`` says what a target string names and ``emulator`` stands in for a board.
"""
