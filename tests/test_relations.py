"""Layers of relations: each row goes through that of its own, in its place."""

import torch

from wordsight.matching.relations import by_relation


def test_each_row_has_the_layer_of_its_relation_and_keeps_its_place() -> None:
    values, relations = torch.randn(9, 4, dtype=torch.double), torch.tensor([3, 0, 3, 1, 0, 3, 1, 1, 0])
    weights = torch.randn(5, 2, 4, dtype=torch.double, requires_grad=True)
    taken = weights.unbind()
    found = by_relation(values, relations, lambda rows, kind: rows @ taken[kind].T)
    expected = torch.einsum("wde,we->wd", weights[relations], values)
    torch.testing.assert_close(found, expected)
    (ours,), (plain,) = (torch.autograd.grad((one**2).sum(), weights) for one in (found, expected))
    torch.testing.assert_close(ours, plain)
    assert not ours[[2, 4]].any()


def test_no_rows_give_none() -> None:
    weight = torch.randn(2, 4)
    assert by_relation(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), lambda x, _: x @ weight.T).shape == (0, 2)
