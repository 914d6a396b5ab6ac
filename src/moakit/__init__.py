"""Mixture of Agents: several models answer, layers read their answers, an aggregator writes the final one."""

from moakit.config import Config, from_config, load
from moakit.ensembles import MoA, SelfMoA
from moakit.errors import (
    AuthenticationFailed,
    BadResponse,
    BudgetExceeded,
    CallError,
    ConfigError,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    MissingExtra,
    MoaError,
    ModelTimeout,
    NotEnoughResponses,
    RateLimited,
    ShapeError,
    UnknownModel,
    UserError,
)
from moakit.events import (
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    Delta,
    Event,
    Judged,
    LayerFinished,
    LayerStarted,
    RunFailed,
    RunFinished,
    RunStarted,
)
from moakit.layers import Agent, Aggregator, Layer, Proposers, Provider, Residual, Sequential
from moakit.models.base import Listener, Model, Reply
from moakit.models.pools import close as aclose
from moakit.models.providers import Price
from moakit.prompts import Template
from moakit.run import Run
from moakit.run.stream import Stream
from moakit.types import Answer, Call, Message, Prompt, Response, Usage

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Aggregator",
    "Answer",
    "AuthenticationFailed",
    "BadResponse",
    "BudgetExceeded",
    "Call",
    "CallError",
    "CallFailed",
    "CallFinished",
    "CallRetried",
    "CallStarted",
    "Config",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "DeadlineExceeded",
    "Delta",
    "Event",
    "InvalidRequest",
    "Judged",
    "Layer",
    "LayerFinished",
    "LayerStarted",
    "Listener",
    "Message",
    "MissingExtra",
    "MoA",
    "MoaError",
    "Model",
    "ModelTimeout",
    "NotEnoughResponses",
    "Price",
    "Prompt",
    "Proposers",
    "Provider",
    "RateLimited",
    "Reply",
    "Residual",
    "Response",
    "Run",
    "RunFailed",
    "RunFinished",
    "RunStarted",
    "SelfMoA",
    "Sequential",
    "ShapeError",
    "Stream",
    "Template",
    "UnknownModel",
    "Usage",
    "UserError",
    "aclose",
    "from_config",
    "load",
]
