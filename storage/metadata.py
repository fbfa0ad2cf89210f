"""Say what all tables share: the naming convention, and the types of row numbers and of money."""

from sqlalchemy import BigInteger, Integer, MetaData, Numeric
from sqlalchemy.orm import DeclarativeBase

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite numbers rows by itself only in a column of type INTEGER.
IDENTITY = BigInteger().with_variant(Integer(), "sqlite")
DOLLARS = Numeric(12, 6)


class Model(DeclarativeBase):
    """Give every table the same naming convention, so that migrations can name what they change."""

    metadata = MetaData(naming_convention=NAMES)
