"""The baseline training loop, written like the widely copied ports of InfoGAN. Frozen.

It trains the same networks (Table 1 of the paper) on the same batches of 128 at float32, with the same
objective, new latents in each update, and separate batch norm batches for real and generated images.
Like the ports, it is slow because

- a DataLoader decodes every PNG file again in each epoch, one at a time (no workers, the default);
- tensors are contiguous, images [N, C, H, W]; memory comes from the default allocator;
- real images, generated images and Q have separate backward passes in the D step, and G and Q in the G
  step;
- the graph of G is built in the D step and then cut by `detach`;
- D and Q are not frozen in the G step: gradients of their weights are computed and discarded;
- Adam uses for-each operations.

Do not make it faster: published results are ratios to it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import pictures

NOISE, CATEGORIES, CONTINUOUS, LEAK = 62, 10, 2, 0.1
LATENTS = NOISE + CATEGORIES + CONTINUOUS
INFO_WEIGHT = 0.1  # of the continuous codes


class PngDigits(Dataset[Tensor]):
    """60,000 digits as PNG bytes, decoded at each access."""

    def __init__(self) -> None:
        distinct = [pictures.png(picture) for picture in pictures.digits()]
        self.files = [distinct[index] for index in pictures.repeated(len(distinct))]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        pixels = np.array(Image.open(io.BytesIO(self.files[index])).convert("L"))
        return torch.from_numpy(pixels).unsqueeze(0).float().div(255)


class Generator(nn.Module):
    """G of Table 1: maps noise and codes to an image."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.Linear(LATENTS, 1024), nn.BatchNorm1d(1024), nn.ReLU(inplace=True),
            nn.Linear(1024, 128 * 7 * 7), nn.BatchNorm1d(128 * 7 * 7), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.up = nn.Sequential(
            nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, latents: Tensor) -> Tensor:
        """Return images [N, 1, 28, 28] in [0, 1]."""
        image: Tensor = self.up(self.dense(latents).view(-1, 128, 7, 7))
        return image


class Trunk(nn.Module):
    """The layers of Table 1 that D and Q share."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(LEAK, inplace=True),
            nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128), nn.LeakyReLU(LEAK, inplace=True),
        )  # fmt: skip
        self.dense = nn.Sequential(
            nn.Linear(128 * 7 * 7, 1024), nn.BatchNorm1d(1024), nn.LeakyReLU(LEAK, inplace=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features [N, 1024]."""
        features: Tensor = self.dense(self.conv(images).view(-1, 128 * 7 * 7))
        return features


class Discriminator(nn.Module):
    """D's head."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(1024, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return D(x), [N]."""
        return torch.sigmoid(self.output(features)).view(-1)


class Recognition(nn.Module):
    """Q's head: predicts the codes of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(1024, 128), nn.BatchNorm1d(128), nn.LeakyReLU(LEAK, inplace=True)
        )
        self.output = nn.Linear(128, CATEGORIES + 2 * CONTINUOUS)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, means and logarithms of standard deviations."""
        raw = self.output(self.hidden(features))
        return raw[:, :CATEGORIES], raw[:, CATEGORIES:-CONTINUOUS], raw[:, -CONTINUOUS:]


def initialise(module: nn.Module) -> None:
    """Initialize a layer like the ports; for `Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def draw_latents(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return latents, their categories and their continuous codes."""
    noise = torch.rand(count, NOISE) * 2 - 1
    category = torch.randint(CATEGORIES, (count,))
    continuous = torch.rand(count, CONTINUOUS) * 2 - 1
    return torch.cat([noise, F.one_hot(category, CATEGORIES).float(), continuous], 1), category, continuous


def information_loss(
    posterior: tuple[Tensor, Tensor, Tensor], category: Tensor, continuous: Tensor
) -> Tensor:
    """Return -sum lambda_i log Q(c_i|x), up to a constant."""
    logits, mean, log_std = posterior
    std = log_std.exp().clamp(0.1, 2.0)
    gaussian = (((continuous - mean) / std) ** 2 / 2 + torch.log(std)).sum(1).mean()
    return F.cross_entropy(logits, category) + INFO_WEIGHT * gaussian


class Textbook:
    """The training loop; `step` makes one D and one G update."""

    def __init__(self, batch_size: int = 128) -> None:
        self.generator, self.trunk = Generator(), Trunk()
        self.discriminator, self.recognition = Discriminator(), Recognition()
        networks = (self.generator, self.trunk, self.discriminator, self.recognition)
        for network in networks:
            network.apply(initialise)
        self.batch_size, self.criterion = batch_size, nn.BCELoss()
        parameters = [parameter for network in networks[1:] for parameter in network.parameters()]
        self.optimizer_d = torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999), foreach=True)
        self.optimizer_g = torch.optim.Adam(
            self.generator.parameters(), lr=1e-3, betas=(0.5, 0.999), foreach=True
        )

    def batches(self) -> Iterator[Tensor]:
        """Yield batches of real images without end."""
        loader = DataLoader(PngDigits(), batch_size=self.batch_size, shuffle=True, drop_last=True)
        while True:
            yield from loader

    def step(self, real: Tensor) -> None:
        """Make one D and one G update."""
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

        self.optimizer_d.zero_grad()
        self.criterion(self.discriminator(self.trunk(real)), ones).backward()
        latents, category, continuous = draw_latents(len(real))
        fake = self.generator(latents)
        features = self.trunk(fake.detach())
        self.criterion(self.discriminator(features), zeros).backward(retain_graph=True)
        information_loss(self.recognition(features), category, continuous).backward()
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        latents, category, continuous = draw_latents(len(real))
        features = self.trunk(self.generator(latents))
        self.criterion(self.discriminator(features), ones).backward(retain_graph=True)
        information_loss(self.recognition(features), category, continuous).backward()
        self.optimizer_g.step()
