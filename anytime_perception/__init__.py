"""Anytime neural networks on a robot: an answer at once, a better one every few milliseconds."""

import pkgutil

# The generated message modules (anytime_perception.msg, .srv, .action) may lie in another folder
# of the same name: without this line, running from the source tree would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)
