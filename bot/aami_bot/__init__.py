"""The Slack app: listeners, blocks and threads. Imports actions and render, nothing below."""
