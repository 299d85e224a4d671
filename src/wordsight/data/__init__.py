"""Dataset readers: files of many formats -> pictures with sentences."""
