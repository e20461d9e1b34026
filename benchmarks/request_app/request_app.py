"""The app that request_path.py asks: next to nothing to do, a page to render, and somebody else to wait for."""

import time

from flask import Flask, render_template

app = Flask(__name__)
ITEMS = [
    {
        "number": number,
        "name": f"item <{number}>",
        "price": number * 1.25,
        "tags": ["new", "blue", "small"][: number % 4],
        "text": f"What is said of item {number}, which goes on for longer than a list has room for, as it does in most shops.",
    }
    for number in range(1, 101)
]


@app.get("/hello")
def hello():
    """The least that a server can be asked for."""
    return "Hello World!"


@app.get("/page")
def page():
    """A page of 100 items: some two milliseconds of Python."""
    return render_template("page.html", items=ITEMS)


@app.get("/items/<int:number>")
def item(number):
    """What the page links to."""
    return ITEMS[number - 1]


@app.get("/io")
def io():
    """A database, say, that takes 50 milliseconds."""
    time.sleep(0.05)
    return "Hello World!"
