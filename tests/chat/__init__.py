"""Tests of the chat service."""
