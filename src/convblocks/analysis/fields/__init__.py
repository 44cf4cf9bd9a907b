"""What each output sees of the input, exactly: axes.py says where an axis runs, sight.py what its positions see."""
