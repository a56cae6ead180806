"""Pure learning: cells, gradients, losses, optimisers; arrays in, arrays out, no clock, no network."""

from streamrnn.core.boost import Boost as Boost
from streamrnn.core.least_squares import LeastSquares as LeastSquares
from streamrnn.core.network import Network as Network
from streamrnn.core.pytorch.network import TorchNetwork as TorchNetwork
from streamrnn.core.schedule import Schedule as Schedule
from streamrnn.core.window import Window as Window
