"""An index of pictures that is asked with sentences, pictures and regions, and shows its evidence."""
