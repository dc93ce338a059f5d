"""The page of the demo, and the server on this machine that shows it.

Nothing is asked of any other machine: no analytics, no fonts, no scripts of elsewhere.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from objabn.demo.explainer import Explainer
from objabn.demo.offers import Networks, Offer, bring_examples

HOST = "127.0.0.1"
_FILES = "gradio_api/file="  # where gradio serves files, relative to the page
_HERE = Path(__file__).parent
_CLEARED = (3600, 86400)  # seconds: how often uploads are looked through, and how old those are that go
_FONTS = ("system-ui", "sans-serif")
_MONO = ("ui-monospace", "monospace")
_PROGRESS = gr.Progress(track_tqdm=True)  # an argument's default, by which gradio knows that bars are to be shown
_TO_RESULT = "(...given) => { document.getElementById('results').scrollIntoView({ block: 'nearest' }); return given; }"
_INTRODUCTION = (
    '<h1>Where did the network look?</h1>\n<p class="about">Give it a video. It answers with an action, and its '
    "attention maps show which parts of the frames it weighted. Videos stay on this machine.</p>"
)


def build_page(offers: Sequence[Offer], examples: Mapping[str, Path], explainer: Explainer) -> gr.Blocks:
    """Build the page: choose a network, give a video, look at what was found.

    Args:
        offers: networks, the first of which is chosen.
        examples: videos by what they show.
        explainer: of these networks.
    """
    about = {offer.name: escape(f"{offer.about} {offer.warning}") for offer in offers}

    def explained(network: str, video: str | None, grad_cam: bool, _: gr.Progress = _PROGRESS) -> str:
        return json.dumps(explainer.explain(network, video, grad_cam))

    with gr.Blocks(title="objabn demo", analytics_enabled=False, delete_cache=_CLEARED) as page:
        gr.HTML(_INTRODUCTION, apply_default_css=False, elem_id="introduction")
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                network = gr.Dropdown(list(about), value=offers[0].name, label="Network", elem_id="network")
                note = gr.HTML(about[offers[0].name], apply_default_css=False, elem_id="about")
                video = gr.File(label="Video", elem_id="video", height=150)
                gr.HTML("<p>or an example:</p>", apply_default_css=False, elem_id="or")
                with gr.Row(elem_id="examples"):
                    buttons = {label: gr.Button(label, size="sm", min_width=60) for label in examples}
                grad_cam = gr.Checkbox(label="also Grad-CAM (takes longer)", value=True, elem_id="grad-cam")
                start = gr.Button("Explain", variant="primary", elem_id="explain")
            with gr.Column(scale=5, min_width=320):
                result = gr.HTML(
                    html_template='<div id="result"></div>',
                    js_on_load=(_HERE / "result.js").read_text(encoding="utf-8"),
                    apply_default_css=False,
                    elem_id="results",
                )
        private: Any = {"api_visibility": "private"}
        network.change(about.get, network, note, show_progress="hidden", queue=False, **private)
        run: Any = {"fn": explained, "inputs": [network, video, grad_cam], "outputs": result, "js": _TO_RESULT}
        start.click(**run, **private)
        for label, button in buttons.items():
            path = examples[label].as_posix()
            chosen = button.click(lambda path=path: path, None, video, show_progress="hidden", queue=False, **private)
            chosen.then(**run, **private)
    return page


@contextmanager
def serve(offers: Sequence[Offer], networks: Networks, root: Path | None, port: int | None) -> Iterator[str]:
    """Serve the page on this machine alone, as long as the block runs; the address.

    What visitors upload and what is made of it lie in a temporary folder, which goes when the block ends.

    Args:
        root: the checkout, whose embedded videos are the examples; None outside of one.
        port: None: the first free one from 7860 on.

    Raises:
        ValueError: the port is taken.
    """
    with TemporaryDirectory(prefix="objabn-demo-") as place:
        folder = Path(place).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        explainer = Explainer(networks, folder / "explained", _FILES)
        page = build_page(offers, bring_examples(root, folder / "examples"), explainer)
        try:
            page.queue(default_concurrency_limit=1).launch(
                server_name=HOST,
                server_port=port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                inbrowser=False,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                allowed_paths=[str(folder)],
                theme=_theme(),
                css=(_HERE / "page.css").read_text(encoding="utf-8"),
            )
        except OSError as error:
            got = "none from 7860 on" if port is None else f"{port}, which is taken"
            raise ValueError(f"--port: expected a free port, got {got}") from error
        try:
            yield f"http://{HOST}:{page.server_port}/"
        finally:
            page.close(verbose=False)


def _theme() -> gr.themes.Base:
    """Gradio's looks with fonts of the reader's machine, and a button whose words stand out enough to be read."""
    # A bare text as a font would be looked for among those that come with gradio.
    fonts, mono = ([gr.themes.Font(name) for name in names] for names in (_FONTS, _MONO))
    theme = gr.themes.Default(primary_hue="blue", font=fonts, font_mono=mono)
    fill, hover = "*primary_700", "*primary_800"
    return theme.set(
        button_primary_background_fill=fill,
        button_primary_background_fill_dark=fill,
        button_primary_background_fill_hover=hover,
        button_primary_background_fill_hover_dark=hover,
    )
