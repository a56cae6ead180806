"""From records to what a network sees: decoding, keys, scaling, encoding, targets."""

from streamrnn.features.classes import Classes as Classes
from streamrnn.features.features import Features as Features
from streamrnn.features.features import Inputs as Inputs
from streamrnn.features.fields import Reason as Reason
from streamrnn.features.fields import canonical as canonical
from streamrnn.features.keys import Keys as Keys
from streamrnn.features.schema import Block as Block
from streamrnn.features.schema import Reject as Reject
from streamrnn.features.schema import Schema as Schema
from streamrnn.features.specs import Calendar as Calendar
from streamrnn.features.specs import Category as Category
from streamrnn.features.specs import Elapsed as Elapsed
from streamrnn.features.specs import Lags as Lags
from streamrnn.features.specs import Number as Number
from streamrnn.features.specs import Previous as Previous
from streamrnn.features.specs import Spec as Spec
from streamrnn.features.specs import Target as Target
from streamrnn.features.specs import fields_of as fields_of
from streamrnn.features.tokens import Tokens as Tokens
from streamrnn.features.tokens import Vocabulary as Vocabulary
