"""Pictures to regions: open a picture, find boxes worth looking at, describe each by a row of numbers."""
