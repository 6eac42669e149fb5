# fails: FileNotFoundError
# hint: `write_file`
import csv
rows = list(csv.reader(open("data.csv")))
len(rows)
