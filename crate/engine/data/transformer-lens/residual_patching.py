# Residual stream patching
settings = SETTINGS["residual-patching"]
by_position(f"hook_{settings['site']}", settings["direction"], "residual-patching", "Patched residual stream")
