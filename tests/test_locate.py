"""From regions that fit a phrase to a box and a point."""

import torch

from wordsight.matching.locate import locate


def test_the_box_is_the_best_and_the_point_is_where_good_ones_meet() -> None:
    pair = [[0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.25, 0.5], [0.75, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]]
    box, point = locate(torch.tensor([[5.0, 4.0, 3.0, 0.0]]), torch.tensor([pair]))
    assert box[0].tolist() == pair[0]
    assert 0 < point[0, 0] < 0.25 and 0 < point[0, 1] < 0.5  # on the left one of two, not between them


def test_a_single_region_points_at_its_middle() -> None:
    boxes = torch.tensor([[[0.25, 0.5, 0.75, 1.0]], [[0.501, 0.501, 0.503, 0.503]]])
    _, point = locate(torch.zeros(2, 1), boxes)
    assert torch.allclose(point, torch.tensor([[0.5, 0.75], [0.502, 0.502]]))


def test_padding_changes_nothing_and_the_point_is_in_the_box() -> None:
    torch.manual_seed(0)
    scores, corners = torch.randn(50, 6), torch.rand(50, 6, 2, 2).sort(dim=2).values
    boxes = corners.flatten(2)
    box, point = locate(scores, boxes)
    padded = torch.cat([scores, torch.full((50, 2), -torch.inf)], 1), torch.cat([boxes, torch.zeros(50, 2, 4)], 1)
    assert all(torch.allclose(a, b) for a, b in zip((box, point), locate(*padded), strict=True))
    assert bool(((point >= box[:, :2] - 0.04) & (point <= box[:, 2:] + 0.04)).all())
