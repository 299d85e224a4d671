"""Index of pictures: searched by sentences, pictures and regions; hits come with their evidence."""
