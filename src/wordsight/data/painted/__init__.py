"""The painted world: pictures of coloured shapes with true sentences about them."""
