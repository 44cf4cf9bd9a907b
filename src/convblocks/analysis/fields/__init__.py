"""The receptive field of each output, exactly: axes.py says where an axis runs, sight.py what its positions see."""
