# fails: FileNotFoundError
# hint: no files of the host
with open("/home/user/data/report.csv") as file:
    print(file.read())
