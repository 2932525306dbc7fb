"""Images, annotations and the document that changes only through edits."""
