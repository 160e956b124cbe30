#!/usr/bin/env python3
"""Read a page of sellometer_report(), as a browser serialised it, and print what it says, a line each, between tabs.

    tile   ID   VALUE                    the figures on top
    step   ID   VALUE                    the funnel
    hour   TIME GMV VIEWS CARTS REMOVED PURCHASES
    shown  ID   TEXT                     the figures on top, as they are seen
    top    DIMENSION RANK KEY GMV SOLD
    label  DIMENSION RANK TEXT           the keys, as they are seen
    alert  SEVERITY KIND KEY DETAIL
    banner SEVERITY NAME DETAIL          what is not well
    source NAME STATE ERROR
    time   TEXT                          of each time
    element NAME COUNT                   how many of each element there are
    attribute NAME COUNT
    contrast SCHEME TEXT BACKGROUND RATIO   of the colours that text stands in
"""
import re
import sys
from collections import Counter
from html.parser import HTMLParser


class Node:
    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent, self.children = name, attributes, parent, []

    def find(self, name, **attributes):
        """All elements below of a name (None: any) and with attributes; of a class, among others."""
        for child in self.children:
            if isinstance(child, Node):
                if (name is None or child.name == name) and all(
                        value in child.attributes.get(key.rstrip("_"), "").split() for key, value in attributes.items()):
                    yield child
                yield from child.find(name, **attributes)

    def text(self):
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)

    def value(self):
        return next((data.attributes["value"] for data in self.find("data")), "")


class Page(HTMLParser):
    EMPTY = {"meta", "col", "br", "img", "link", "input", "hr", "wbr"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = self.node = Node("", {}, None)
        self.elements, self.attributes = Counter(), Counter()

    def handle_starttag(self, name, attributes):
        self.elements[name] += 1
        self.attributes.update(key for key, _ in attributes)
        node = Node(name, {key: value or "" for key, value in attributes}, self.node)
        self.node.children.append(node)
        if name not in self.EMPTY:
            self.node = node

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        if name not in self.EMPTY:
            self.handle_endtag(name)

    def handle_endtag(self, name):
        node = self.node
        while node.parent is not None and node.name != name:
            node = node.parent
        if node.parent is not None:
            self.node = node.parent

    def handle_data(self, data):
        self.node.children.append(data)


def luminance(colour):
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    channels = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    """The contrast ratio of WCAG 2."""
    a, b = sorted((luminance(a), luminance(b)))
    return (b + 0.05) / (a + 0.05)


def contrasts(style):
    pairs = [(text, ground) for text in ("ink", "soft") for ground in ("page", "card")] + [("ink", "bar")]
    pairs += [(text, "card") for text in ("gmv", "view", "cart", "remove", "purchase")]
    pairs += [("ink", "rule"), ("good", "good-bg"), ("warning", "warning-bg"), ("critical", "critical-bg")]
    for scheme, block in zip(("light", "dark"), re.findall(r":root \{([^}]*)\}", style)):
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", block))
        for text, ground in pairs:
            yield scheme, text, ground, "%.2f" % contrast(colours[text], colours[ground])


def report(page):
    root = page.root
    for node in root.find("dd"):
        yield "tile", node.attributes["id"].removeprefix("tile-"), node.value()
        yield "shown", node.attributes["id"].removeprefix("tile-"), node.text()
    for funnel in root.find("ol", class_="funnel"):
        for step in funnel.find("li"):
            yield "step", step.attributes["id"].removeprefix("funnel-"), step.value()
    for table in root.find("table", id="hours"):
        for time in table.find("time"):
            row = time.parent.parent
            yield ("hour", time.attributes["datetime"], *(cell.value() for cell in row.find("td")))
    for section in root.find("section"):
        dimension = section.attributes.get("id", "")
        if dimension.startswith("top-"):
            for body in section.find("tbody"):
                for row in body.find("tr"):
                    cells = list(row.find("td"))
                    keys = list(row.find("bdi"))
                    if keys:
                        yield ("top", dimension.removeprefix("top-"), cells[0].text(), keys[0].attributes["title"],
                               cells[1].value(), cells[2].value())
                        yield "label", dimension.removeprefix("top-"), cells[0].text(), keys[0].text()
    for alerts in root.find("ul", class_="alerts"):
        for item in alerts.find("li"):
            yield ("alert", *(next(item.find(*find[:1], **find[1])).text() for find in (
                ("span", {"class_": "chip"}), ("strong", {}), ("bdi", {}), ("span", {"class_": "detail"}))))
    for banner in root.find("section", id="banner"):
        for item in banner.find("li"):
            yield ("banner", *(next(item.find(*find[:1], **find[1])).text() for find in (
                ("span", {"class_": "chip"}), ("strong", {}), ("span", {"class_": "detail"}))))
    for section in root.find("section", id="freshness"):
        for body in section.find("tbody"):
            rows = list(body.find("tr"))
            for row, following in zip(rows, rows[1:] + [None]):
                for key in row.find("bdi"):
                    error = following is not None and following.attributes.get("class") == "error"
                    yield ("source", key.text(), next(row.find("td")).text(),
                           next(following.find("td")).children[0].strip() if error else "")
    for time in root.find("time"):
        yield "time", time.text()
    for name, count in sorted(page.elements.items()):
        yield "element", name, str(count)
    for name, count in sorted(page.attributes.items()):
        yield "attribute", name, str(count)
    for style in root.find("style"):
        yield from (("contrast", *line) for line in contrasts(style.text()))


def main():
    page = Page()
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        page.feed(file.read())
    page.close()
    for line in report(page):
        print("\t".join(line).replace("\n", " "))


if __name__ == "__main__":
    main()
