"""Each grid puts a token where it belongs, and moves gradients as it moves features."""

import pytest
import torch
from torch import Tensor

from objabn.networks import grids

T, H, W, C = 2, 3, 4, 5


def cells(batch: int = 2) -> Tensor:
    """Numbers (B, C, T, H, W), all different."""
    return torch.arange(float(batch * C * T * H * W)).reshape(batch, C, T, H, W)


def with_class_token(tokens: Tensor) -> Tensor:
    return torch.cat([torch.full_like(tokens[:, :1], -1), tokens], dim=1)


LAID_OUT = {
    "as_it_is": (lambda values: values, grids.as_it_is()),
    "channels_last": (lambda values: values.permute(0, 2, 3, 4, 1), grids.channels_last()),
    "tokens": (lambda values: values.flatten(2).transpose(1, 2), grids.tokens(T, H, W)),
    "behind a class token": (
        lambda values: with_class_token(values.flatten(2).transpose(1, 2)),
        grids.tokens(T, H, W, class_tokens=1),
    ),
    "tokens_time_fastest": (
        lambda values: with_class_token(values.permute(0, 3, 4, 2, 1).flatten(1, 3)),
        grids.tokens_time_fastest(T, H, W),
    ),
    "frames_in_batch": (
        lambda values: with_class_token(values.permute(0, 2, 3, 4, 1).flatten(0, 1).flatten(1, 2)),
        grids.frames_in_batch(T, H, W),
    ),
    "places_in_batch": (lambda values: values.permute(0, 3, 4, 2, 1).flatten(0, 2), grids.places_in_batch(H, W)),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_grid_puts_each_value_back(name: str) -> None:
    lay_out, grid = LAID_OUT[name]
    assert torch.equal(grid(lay_out(cells())), cells())
    assert grids.grid_shape(grid, lay_out(cells(1))) == (1, C, T, H, W)


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_gradient_goes_through_a_grid_as_features_do(name: str) -> None:
    lay_out, grid = LAID_OUT[name]
    output = lay_out(cells()).clone().requires_grad_()
    (gradient,) = torch.autograd.grad((grid(output) * cells()).sum(), output)
    assert torch.equal(grid(gradient), cells())
    assert float(gradient.clamp(max=0).sum()) == 0  # nothing comes to a class token


@pytest.mark.parametrize(
    "output",
    [
        torch.zeros(1, 5),
        torch.zeros(1, 5, 4, 1, 1),  # pooled
        torch.zeros(3, 5, 4, 2, 2),  # of three clips
        torch.zeros(1, 5, 4, 2, 2, dtype=torch.int64),
        {"x": torch.zeros(1, 5, 4, 2, 2)},
    ],
)
def test_what_is_no_grid_of_cells(output: object) -> None:
    assert grids.grid_shape(grids.as_it_is(), output) is None


def test_an_output_of_another_length_is_no_grid_of_these_tokens() -> None:
    assert grids.grid_shape(grids.tokens(T, H, W), torch.zeros(1, T * H * W + 1, C)) is None
    assert grids.grid_shape(grids.tokens(T, H, W), (torch.zeros(1, T * H * W, C), "more")) == (1, C, T, H, W)
