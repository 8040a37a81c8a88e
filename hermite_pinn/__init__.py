"""stub"""
from .functions import *
from .conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
from .parameters import Parameter
from .problem import Problem
from .geometry import Box
from .field import Field
from .solve import solve
from .methods import GaussNewton, Adam
from .solution import Solution
