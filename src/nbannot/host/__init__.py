"""The host's end of the road to the browser, without any widget: messages, slices, operations, what is in view."""
