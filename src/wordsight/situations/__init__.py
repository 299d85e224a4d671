"""Situation recognition: what is done in a picture, and who or what fills each role. Each model has one file."""

MODELS = {
    "graph_net": "wordsight.situations.graph_net:GraphNet",
    "situation_crf": "wordsight.situations.situation_crf:SituationCRF",
    "nearest_situation": "wordsight.situations.nearest_situation:NearestSituation",
}
