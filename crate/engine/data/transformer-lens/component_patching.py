# Attention and MLP patching
direction = SETTINGS["component-patching"]["direction"]
by_position("hook_attn_out", direction, "component-patching", "Patched attention output")
by_position("hook_mlp_out", direction, "component-patching", "Patched MLP output")
