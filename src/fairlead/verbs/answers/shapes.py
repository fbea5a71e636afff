"""Shapes that several answers share."""

from __future__ import annotations

from typing import Generic, TypeVar

from typing_extensions import TypedDict

T = TypeVar("T")


class More(TypedDict):
    """What each page says; subclasses say of what it is, because pydantic fills in a type only where it is written."""

    has_more: bool


class Page(TypedDict, Generic[T]):
    """Some of many."""

    items: list[T]
    has_more: bool


class Items(TypedDict, Generic[T]):
    """All there are."""

    items: list[T]


class Deleted(TypedDict):
    """What is gone."""

    id: str
    deleted: bool
