"""How alike two images are to a trained network (LPIPS): a description, no measure of privacy."""

from pathlib import Path

from skcondense.audit.image_similarity import Floats, Images, image_pairs

__all__ = ["learned_perceptual_similarity"]


def learned_perceptual_similarity(
    a: Images,
    b: Images,
    pixel_range: float,
    *,
    backbone: str | Path,
    heads: str | Path,
    device: str = "auto",
) -> Floats:
    """Learned perceptual image patch similarity (LPIPS 0.1, AlexNet) of each pair of images.

    Despite its name a distance. It needs weights that this package does not have and does not
    download.

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images of one channel or three (red, green, blue), from 0 to `pixel_range`. Grey images
        are repeated to three channels. Images with a side below 64 pixels are enlarged, by linear
        interpolation, until the shorter side has 64: values then hang on this choice, and are
        comparable with each other only.
    pixel_range : float
        Largest possible pixel: 255 for uint8.
    backbone : str or Path
        File with the state dict of torchvision's `alexnet`, trained on ImageNet, as
        ``.safetensors`` or as ``.pth`` (read without running code that it holds).
    heads : str or Path
        File with the linear weights: ``weights/v0.1/alex.pth`` in the package `lpips`.
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one.

    Returns
    -------
    ndarray of shape (n_images,)
        0 for identical images; greater is less alike.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file holds other weights, the shapes differ, there are not one or three channels, or
        the range is not positive.
    ImportError
        If torch is not installed.

    Notes
    -----
    At each of five layers activations are divided by their length across channels; squared
    differences, weighted per channel, are averaged over places and summed over layers.

    References
    ----------
    Zhang, Isola, Efros, Shechtman and Wang (2018), The unreasonable effectiveness of deep
    features as a perceptual metric, CVPR, arXiv:1801.03924, equation 1.
    """
    from skcondense.neural.compute import Compute
    from skcondense.neural.perceptual import PerceptualNetwork

    x, y = (side / pixel_range for side in image_pairs(a, b, pixel_range))
    return PerceptualNetwork(backbone, heads, Compute(device)).distances(x, y)
