"""Vision: pictures to regions. Open a picture, propose boxes, compute a feature vector for each box."""
