"""Networks of controls that are not trained here: can they be loaded, do they take our clips and know our labels?"""

from collections.abc import Iterable, Sequence

from objabn.preflight.findings import Finding, fault, ok
from objabn.preflight.rows import Row


def network_findings(rows: Iterable[Row], labels: Sequence[str] | None) -> list[Finding]:
    """Load the network of each row that is not trained here.

    That runs the code of a user's own file.

    Args:
        labels: of the data set, sorted; None where they are not known yet.
    """
    found = []
    for row in rows:
        if row.network is None:
            continue
        from objabn.networks.choice import load_network
        from objabn.networks.labels import with_labels

        data, own = row.block.data, row.network
        clips = {"num_frames": data.num_frames, "size": data.crop}
        try:
            network = load_network(own.network, weights=own.weights, layer=own.layer, **clips)
            if labels is not None:
                with_labels(network, own.labels, labels)
        except ValueError as error:
            found.append(fault("train", f"{row.key}: {error}"))
            continue
        sees = f"clips of {data.num_frames} frames, {data.crop} x {data.crop} pixels"
        found.append(ok("train", f"{row.key}: {own.network} takes {sees}; Grad-CAM at {network.layer}"))
    return found
