"""The viewer side by side with its peers: same browser, same data, same run."""
