"""Weight features by attention maps.

Shapes: B batch, T frames, C channels of h1, h/w grid of h1 and of the maps, M maps.
"""

import torch
from torch import Tensor, nn

_CLIP = (2, 3, 4)  # T, h, w
_EPS = 1e-12  # least energy, for an h1 or a map that is zero everywhere


def apply_map(h1: Tensor, attention_map: Tensor, how: str = "multiply") -> Tensor:
    """Weight features by a single attention map.

    h2_{t,c} = h1_{t,c} M_t; float (B, C, T, h, w).

    Args:
        h1: (B, C, T, h, w).
        attention_map: M_u or M_o, (B, 1, T, h, w) in [0, 1].
        how: "multiply" (the paper's), "residual" (h1 M + h1, as in ABN's released code), or "energy" (h1 M, scaled so
            that a clip keeps the energy of h1: what the map takes away in one place comes back in the others).

    Paper: Eq. (1), Sec. 3.1.
    """
    weighted = h1 * attention_map
    if how == "energy":
        return weighted / even_weights(h1, attention_map)
    return weighted + h1 if how == "residual" else weighted


def even_weights(h1: Tensor, maps: Tensor, how: str = "multiply") -> Tensor:
    """Return for each map the one weight that keeps the energy which h1 has under it.

    It is the w of sum (w h1)^2 = sum (M h1)^2, the sums over C, T, h and w: the map's place is gone, its strength
    stays. Where the map adds to h1 it is the w of sum (h1 + w h1)^2 = sum (h1 + M h1)^2.

    Args:
        h1: (B, C, T, h, w).
        maps: (B, M, T, h, w).
        how: as `apply_map`.

    Returns:
        (B, M, 1, 1, 1).

    >>> import torch
    >>> even_weights(torch.ones(1, 1, 1, 1, 2), torch.tensor([[[[[1.0, 7.0]]]]])).item()  # the root of (1 + 49) / 2
    5.0
    """
    energy = h1.square().mean(dim=1, keepdim=True)  # (B, 1, T, h, w)
    added = 1 if how == "residual" else 0
    weighted = ((maps + added).square() * energy).mean(dim=_CLIP, keepdim=True)
    share = weighted / energy.mean(dim=_CLIP, keepdim=True).clamp_min(_EPS)
    return share.clamp_min(_EPS).sqrt() - added


class MapMixer(nn.Module):
    """Weight features by several attention maps, and mix the results.

    Each map weights its own copy of h1. A 1x1x1 convolution mixes the M copies back to C channels.

    Args:
        channels: C. num_maps: M. how: as `apply_map`.
        bias: whether the convolution has a bias, which no map weights.
        init: "default", or "identity", [I, 0, 0]: h2 starts as h1 weighted by the first map, M_u; or "object",
            [0, I, 0]: by the second, M_o.
    """

    def __init__(
        self, channels: int, num_maps: int, how: str = "multiply", init: str = "default", *, bias: bool = True
    ) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv3d(channels * num_maps, channels, kernel_size=1, bias=bias)
        if init != "default":
            nn.init.zeros_(self.conv.weight)
            if self.conv.bias is not None:
                nn.init.zeros_(self.conv.bias)
            with torch.no_grad():
                first = channels if init == "object" else 0
                self.conv.weight[:, first : first + channels, 0, 0, 0] = torch.eye(channels)

    def forward(self, h1: Tensor, maps: Tensor) -> Tensor:
        """Return the weighted and mixed features h2.

        Shapes: h2 (B, C, T, h, w) of h1 (B, C, T, h, w) and maps (B, M, T, h, w).

        Paper, Sec. 3.3: each map on each channel, h1^m_{t,c} = h1_{t,c} M_{m,t}, Eq. (4); concatenated along the
        channels, h1' = cat(h1^1, ..., h1^M), Eq. (5); h2 = conv(h1'), Eq. (6).
        """
        weighted = [apply_map(h1, attention_map[:, None], self.how) for attention_map in maps.unbind(dim=1)]
        return self.conv(torch.cat(weighted, dim=1))  # (B, M C, T, h, w) -> (B, C, T, h, w)
