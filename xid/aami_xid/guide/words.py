"""Plain words for the catalogue's short ones."""

SEVERITIES = ("fatal", "error", "warning", "info")
ACTIONS = {
    "none": "Nothing to do.",
    "notify": "Tell the owner of the job; the node stays in service.",
    "investigate": "Look into it; the code alone takes no node out of service.",
    "drain-when-idle": "Drain the node and let its work end; act when it is idle.",
    "drain-reset": "Drain the node, then reset the GPU.",
    "drain-reboot": "Drain the node, then restart it.",
    "drain-service": "Drain the node and have it inspected.",
    "follow-154": "Do what the recovery action (154) of this GPU names.",
    "admin": "A matter of configuration: for the administrator.",
}
AFFECTS = {"app": "the application", "gpu": "the GPU", "node": "the node", "fabric": "the NVLink fabric"}
STATUSES = {
    "documented": "documented by NVIDIA",
    "unused": "listed by NVIDIA as unused",
    "reused": "a retired number that newer drivers use anew",
    "driver-header": "named in the driver's source only",
    "reported": "known from logs only",
    "unknown": "in no catalogue",
}
REPEATS = {
    "same_gpu": "same GPU",
    "same_port": "same port",
    "same_job": "same job",
    "fleet": "many nodes",
}
NAMES = {"xid": "Xid", "sxid": "SXid"}

# What a fault group in a log needs. The words of the driver's recovery actions are among them.
NEEDS = {
    "none": "nothing",
    "tell-user": "tell the owner of the job",
    "investigate": "look into it",
    "plan-replacement": "plan a replacement",
    "fix-config": "mend the configuration",
    "drain-peers": "let work that uses peer access end, then look again",
    "recover-imex": "restart the IMEX domain (the whole NVLink domain)",
    "reset-when-idle": "reset the GPU when it is idle",
    "drain-and-reset": "drain the node, let its work end, then reset the GPU",
    "reset-gpu": "drain the node, then reset the GPU",
    "bus-reset": "drain the node, then reset the GPU's bus",
    "reset-fabric": "drain the node, then reset all GPUs and switches together",
    "reboot-node": "drain the node, then restart it",
    "service": "drain the node and have it inspected",
}

# A model of GPU and the generation whose column of the catalogue it follows.
MODELS = {
    "A100": "A100",
    "A800": "A100",
    "H100": "H100",
    "H200": "H100",
    "H800": "H100",
    "H20": "H100",
    "GH200": "H100",
    "B100": "B200",
    "B200": "B200",
    "B300": "B200",
    "GB200": "GB200",
    "GB300": "GB200",
}


def generation(model):
    # type: (str) -> str
    """The column for a model as people and tools write it, such as `NVIDIA H200 141GB HBM3e`; "" for none."""
    words = model.upper().replace("-", " ").replace("_", " ").split()
    return next((MODELS[word] for word in words if word in MODELS), "")
