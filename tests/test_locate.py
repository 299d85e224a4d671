"""From regions that fit a phrase to a box and a point."""

import torch

from wordsight.matching.locate import locate, supported


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


def test_a_region_is_supported_by_those_that_fit_and_overlap_it() -> None:
    pair = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.8, 0.0, 1.0, 0.2]]
    scores = torch.tensor([[2.0, 1.9, 2.05, 0.0]])
    assert supported(scores, torch.tensor([pair])).argmax() == 0  # two on one place against one a little better
    alone = torch.tensor([pair[:1] + pair[2:]])  # of boxes apart from each other the best stays the best
    assert supported(scores[:, [0, 2, 3]], alone).argmax() == 1


def test_support_is_the_same_with_padding_and_for_several_words() -> None:
    torch.manual_seed(0)
    scores, boxes = torch.randn(4, 3, 5), torch.rand(4, 5, 2, 2).sort(dim=2).values.flatten(2)
    expected = torch.stack([supported(scores[:, word], boxes) for word in range(3)], dim=1)
    assert torch.allclose(supported(scores, boxes), expected)
    wider = torch.cat([scores, torch.full((4, 3, 2), -torch.inf)], 2), torch.cat([boxes, torch.rand(4, 2, 4)], 1)
    assert torch.allclose(supported(*wider)[..., :5], expected, atol=1e-6)
    assert bool((supported(*wider)[..., 5:] == -torch.inf).all())
