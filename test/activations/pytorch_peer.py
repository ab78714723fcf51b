"""Each case of cases.json through its function of activations_polycom.py, in double: y, and the gradients by autograd,
into results.json, all in a folder.

    python pytorch_peer.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
from activations_polycom import ACTIVATIONS

results = []
for case in json.loads((folder / "cases.json").read_text()):
    tensors = [
        torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_() for shape, values in case["inputs"]
    ]
    y = ACTIVATIONS[case["name"]].formula(*tensors, **case["options"])
    y.backward(torch.tensor(case["dy"], dtype=torch.float64).reshape(y.shape))
    results.append([t.flatten().tolist() for t in (y, *(tensor.grad for tensor in tensors))])
(folder / "results.json").write_text(json.dumps(results))
