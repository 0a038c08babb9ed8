"""A strict reader of the iCalendar texts that the tests expect (RFC 5545)."""


def read_calendar(text: str) -> list[dict[str, list[str]]]:
    """Return the properties of each VEVENT, unfolded and unescaped."""
    assert text.endswith("\r\n")
    raw = text.split("\r\n")[:-1]
    for line in raw:
        assert len(line.encode()) <= 75, line
        assert "\n" not in line
        assert "\r" not in line
    lines: list[str] = []
    for line in raw:
        if line.startswith(" "):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert lines[-1] == "END:VCALENDAR"
    events: list[dict[str, list[str]]] = []
    for line in lines[1:-1]:
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and line != "END:VEVENT":
            events[-1].setdefault(name, []).append(_unescaped(value))
    uids = [event["UID"][0] for event in events]
    assert len(set(uids)) == len(uids)
    for event in events:
        assert all(len(event[name]) == 1 for name in ("UID", "DTSTAMP", "DTSTART"))
    return events


def _unescaped(value: str) -> str:
    found = ""
    rest = iter(value)
    for character in rest:
        assert character not in ";,", value
        if character == "\\":
            following = next(rest)
            assert following in "\\;,nN"
            found += "\n" if following in "nN" else following
        else:
            found += character
    return found
